"""h5py, netCDF4 and pyproj, written in Cython, given awkward arrays."""

import h5py
import netCDF4
import pyproj
from known_arrays import case, describe, made, output, show, source

describe(h5py.h5d.create, h5py.h5s.create_simple, h5py.h5d.DatasetID.write)
describe(netCDF4.Dataset.createVariable, pyproj.Transformer.transform, pyproj.Geod.inv)

file = h5py.File("arrays.h5", "w", driver="core", backing_store=False)
x = source((211, 331))
file["control"] = x  # CASE dataset-control
x = source((349, 211), ">f8")
file["swapped"] = x  # CASE dataset-swapped-control
x = source((337, 211))
file["order"] = x.T  # CASE dataset-order
x = source((347, 422))
case(347 * 211)
file["strided"] = x[:, ::2]  # CASE dataset-strided
x = source((353, 211), "f4")
target = file.create_dataset("dtype", x.shape, "f8")
target[...] = x  # CASE dataset-dtype-control
show(output(target[...]))  # CASE dataset-read-control
show(output(target.astype("f4")[...]))  # CASE dataset-read-as-control
x = source(100_003).tolist()
file["list"] = x  # CASE dataset-list
file.close()

data = netCDF4.Dataset("arrays.nc", "w", diskless=True, persist=False)
data.set_auto_mask(False)


def variable(name, *shape):
    """A variable of doubles; its values are not masked when they are read."""
    names = [f"{name}{position}" for position in range(len(shape))]
    for each, length in zip(names, shape, strict=True):
        data.createDimension(each, length)
    made_now = data.createVariable(name, "f8", names)
    made_now.set_auto_mask(False)
    return made_now


x = source((211, 359))
v = variable("v", 211, 359)
v[:] = x  # CASE variable-control
x = source((367, 211))
w = variable("w", 211, 367)
w[:] = x.T  # CASE variable-order
x = source((211, 373), "i4")
y = variable("y", 211, 373)
y[:] = x  # CASE variable-dtype
made(x.size // 373 * 359 * 8)  # what was read, and the array that it replaces
show(output(v[:]))  # CASE variable-read-control
data.close()

transformer = pyproj.Transformer.from_crs(4326, 3857)
x, y = source(100_019), source(100_019)
x %= 80
y %= 80
show(transformer.transform(x, y))  # CASE transform-asked-for
x, y = source(100_043), source(100_043)
x %= 80
y %= 80
show(transformer.transform(x, y, inplace=True)[0])  # CASE transform-control
x = source(100_049, "f4")
x %= 80
show(transformer.transform(x, x))  # CASE transform-dtype
x = source(200_114)
case(100_057)
x %= 80
show(transformer.transform(x[::2], x[1::2], inplace=True)[0])  # CASE transform-strided
