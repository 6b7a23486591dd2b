"""OpenCV, numexpr, bottleneck, astropy, shapely, scipy.special: the C API, by hand."""

import astropy.wcs
import bottleneck
import cv2
import numexpr
import shapely
from known_arrays import case, describe, made, output, show, source
from scipy.special import erf

describe(cv2.GaussianBlur, cv2.resize, bottleneck.nansum, bottleneck.move_mean, numexpr.evaluate)
describe(shapely.points, astropy.wcs.Wcsprm.p2s, shapely.lib.points)

cv2.setNumThreads(1)
image = source((211, 331), "f4")
show(output(cv2.GaussianBlur(image, (3, 3), 1.0)))  # CASE blur-control
image = source((337, 211), "f4")
show(output(cv2.GaussianBlur(image.T, (3, 3), 1.0)))  # CASE blur-order
image = source((347, 422), "f4")
case(347 * 211)
show(output(cv2.GaussianBlur(image[:, ::2], (3, 3), 1.0)))  # CASE blur-strided
image = source((353, 211), "f4")
show(output(cv2.GaussianBlur(image[::-1], (3, 3), 1.0)))  # CASE blur-flipped

x = source(100_003)
show(output(numexpr.evaluate("2 * x + 1")))  # CASE evaluate-control
x = source(100_019, "f4")
show(output(numexpr.evaluate("2.5 * x + 1")))  # CASE evaluate-cast-control
x = source(200_086)[::2]
case(100_043)
show(output(numexpr.evaluate("2 * x + 1")))  # CASE evaluate-strided-control
x = source(100_049, ">f8")
show(output(numexpr.evaluate("2 * x + 1")))  # CASE evaluate-swapped-control
x = source(100_057).tolist()
show(output(numexpr.evaluate("2 * x + 1")))  # CASE evaluate-list

x = source((311, 313))
show(bottleneck.nansum(x))  # CASE sum-control
x = source((313, 317))
show(bottleneck.nansum(x.T, axis=0))  # CASE sum-order-control
x = source(100_069).tolist()
show(bottleneck.nansum(x))  # CASE sum-list
x = source(100_103)
made(x.nbytes)  # of argsort
show(output(bottleneck.rankdata(x)))  # CASE rank-control
x = source(100_109)
show(bottleneck.partition(x, 3))  # CASE partition


def world_coordinates(rows):
    """Note what a conversion of coordinates gives: two systems, two angles and a status."""
    made(rows * 16, 2)
    made(rows * 8, 2)
    made(rows * 4)


w = astropy.wcs.WCS(naxis=2)
world_coordinates(50_021)
p = source((50_021, 2))
show(w.wcs_pix2world(p, 0))  # CASE world-control
world_coordinates(50_023)
p = source((50_023, 2), "f4")
show(w.wcs_pix2world(p, 0))  # CASE world-dtype
world_coordinates(50_033)
p = source((2, 50_033))
show(w.wcs_pix2world(p.T, 0))  # CASE world-order

x = source(100_129)
show(output(erf(x)))  # CASE error-control
x = source(100_151)
case(100_150)
show(erf(x[:-1], out=x[1:]))  # CASE error-overlap

p = source((10_007, 2))
show(output(shapely.get_x(output(shapely.points(p)))))  # CASE points-control
p = source((10_009, 2), "f4")
show(output(shapely.get_x(output(shapely.points(p)))))  # CASE points-dtype
p = source((10_037, 2))
show(shapely.get_num_points(shapely.linestrings(p[::-1])))  # CASE line-control
p = source((2, 10_039))
show(shapely.get_num_points(shapely.linestrings(p.T)))  # CASE line-order-control
