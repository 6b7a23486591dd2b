"""scikit-learn, scikit-image, PyWavelets, statsmodels (Cython), given awkward arrays."""

import pywt
import skimage.measure
import sklearn.cluster
import sklearn.linear_model
import sklearn.neighbors
import sklearn.utils
import statsmodels.api
from known_arrays import case, describe, made, show, source

describe(sklearn.neighbors.KDTree.query, sklearn.utils.check_array, pywt.dwt)
describe(sklearn.neighbors.KDTree, pywt._extensions._dwt.dwt_single, pywt.Wavelet.wavefun)

rows = source((1009, 101))
show(sklearn.utils.check_array(rows).shape)  # CASE check-control
rows = source((1009, 131)).tolist()
show(sklearn.utils.check_array(rows).shape)  # CASE check-list
rows = source((1009, 107))
show(sklearn.neighbors.KDTree(rows).query(rows[:3], 2))  # CASE tree-control
rows = source((1009, 103), "f4")
show(sklearn.neighbors.KDTree(rows).query(rows[:3], 2))  # CASE tree-dtype
rows = source((109, 1009))
show(sklearn.neighbors.KDTree(rows.T).query(rows.T[:3], 2))  # CASE tree-order
rows = source((1009, 137), ">f8")
show(sklearn.neighbors.KDTree(rows).query(rows[:3], 2))  # CASE tree-swapped
rows = source((1009, 113), "i4")
means = sklearn.cluster.KMeans(3, init=rows[:3] * 1.0, n_init=1, max_iter=2)
made(1009 * 113 * 8)  # the variance
show(means.fit(rows).inertia_)  # CASE means-dtype
rows = source((127, 1009), "f4")
lasso = sklearn.linear_model.Lasso(0.1, copy_X=False, fit_intercept=False, max_iter=5, tol=10.0)
show(lasso.fit(rows.T, rows[0]).n_iter_)  # CASE lasso-control
rows = source((1009, 139), "f4")
show(lasso.fit(rows, rows[:, 0]).n_iter_)  # CASE lasso-order

x = source(100_103)
show(pywt.dwt(x, "db2"))  # CASE wavelet-control
x = source(100_057, "i4")
show(pywt.dwt(x, "db2"))  # CASE wavelet-dtype
x = source(200_138)
case(100_069)
show(pywt.dwt(x[::2], "db2"))  # CASE wavelet-strided

image = source((211, 307), "f4")
show(skimage.measure.find_contours(image, 30.5))  # CASE contours-dtype

x = source(100_109)
made(100_109 * 8, 2)  # less the mean, and one more
made(100_109, 2)
show(statsmodels.api.tsa.acf(x, nlags=3, fft=False))  # CASE correlation-control
