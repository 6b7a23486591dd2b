"""Holds ufuncs' results in variables of compiled code, which have one reference each."""

import numpy as np


def root_and_product(a, b):
    """The square root of a product, plus the product: read twice, so it is no temporary."""
    product = a * b
    root = np.sqrt(product)
    return np.add(root, product)
