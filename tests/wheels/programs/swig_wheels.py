"""faiss and casadi, bound with SWIG, given awkward arrays."""

import casadi
import faiss
from known_arrays import case, describe, show, source

describe(faiss.kmin, faiss.swig_ptr, faiss.IndexFlatL2.add, faiss.omp_get_max_threads)
describe(faiss._swigfaiss.fvec_norm_L2sqr, casadi.DM.size1, casadi._casadi.new_DM)

index = faiss.IndexFlatL2(16)
rows = source((10_007, 16), "f4")
index.add(rows)  # CASE add-control
rows = source((10_009, 16))
index.add(rows)  # CASE add-dtype
rows = source((16, 10_037), "f4")
index.add(rows.T)  # CASE add-order
rows = source((20_078, 16), "f4")
case(10_039 * 16)
index.add(rows[::2])  # CASE add-strided
rows = source((10_061, 16), ">f4")
index.add(rows)  # CASE add-swapped
queries = source((2011, 16))
show(index.search(queries, 3))  # CASE search-dtype
queries = source((2017, 16), "f4")
show(index.search(queries, 3))  # CASE search-control
show(index.ntotal)

m = source((211, 331))
show(casadi.DM(m).shape)  # CASE matrix-control
m = source((211, 337), "f4")
show(casadi.DM(m).shape)  # CASE matrix-dtype
m = source((347, 211))
show(casadi.DM(m.T).shape)  # CASE matrix-order-control
