"""contourpy, matplotlib, scipy.fft and samplerate, bound with pybind11, given awkward arrays."""

import contourpy
import matplotlib._image
import samplerate
import scipy.fft
from known_arrays import case, describe, output, show, source
from matplotlib import _path
from matplotlib.transforms import Affine2D

describe(contourpy.max_threads, _path.count_bboxes_overlapping_bbox, samplerate.resample)
describe(contourpy.SerialContourGenerator.lines, matplotlib._image.resample)

# Two more copies each are the coordinates of the grid, which np.meshgrid makes.
z = source((211, 229))
show(contourpy.contour_generator(z=z).lines(5.5))  # CASE contour-grid
z = source((211, 223), "f4")
show(contourpy.contour_generator(z=z).lines(5.5))  # CASE contour-dtype
z = source((211, 233))
show(contourpy.contour_generator(z=z.T).lines(5.5))  # CASE contour-order
z = source((211, 227), ">f8")
show(contourpy.contour_generator(z=z).lines(5.5))  # CASE contour-swapped

x = source((241, 251), "f4")
show(output(scipy.fft.rfft(x)))  # CASE fft-control
x = source((293, 307))
show(output(scipy.fft.rfft(x[:, ::-1])))  # CASE fft-strided-control
x = source((271, 277), ">f8")
show(output(scipy.fft.rfft(x)))  # CASE fft-swapped
x = source((281, 283), "i4")
show(output(scipy.fft.rfft(x)))  # CASE fft-dtype

x = source(100_003, "f4")
show(samplerate.resample(x, 0.25))  # CASE resample-control
x = source(100_019)
show(samplerate.resample(x, 0.25))  # CASE resample-dtype
x = source(200_086, "f4")
case(100_043)
show(samplerate.resample(x[::2], 0.25))  # CASE resample-strided
x = source(100_049, "f4").tolist()
show(samplerate.resample(x, 0.25))  # CASE resample-list
x = source(100_057)
for _ in range(7):
    samplerate.resample(x, 0.25)  # CASE resample-loop

corners = [[0, 0], [5, 5]]
boxes = source((10_007, 2, 2))
show(_path.count_bboxes_overlapping_bbox(corners, boxes))  # CASE boxes-control
boxes = source((2, 2, 10_037))
show(_path.count_bboxes_overlapping_bbox(corners, boxes.T))  # CASE boxes-order-control
boxes = source((10_009, 2, 2), "i4")
show(_path.count_bboxes_overlapping_bbox(corners, boxes))  # CASE boxes-dtype
vertices = source((10_039, 2))
show(output(_path.affine_transform(vertices, Affine2D())))  # CASE affine-control
vertices = source((10_061, 2), "f4")
show(output(_path.affine_transform(vertices, Affine2D())))  # CASE affine-dtype
vertices = source((10_067, 2))
show(output(_path.affine_transform(vertices[::-1], Affine2D())))  # CASE affine-strided

image, target = source((311, 313), "f4"), source((317, 331), "f4")
matplotlib._image.resample(image, target, Affine2D())  # CASE image-control
show(target)
image, target = source((337, 347), "f4"), source((349, 353), "f4")
matplotlib._image.resample(image.T, target, Affine2D())  # CASE image-order
show(target)
