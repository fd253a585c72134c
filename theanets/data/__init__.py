"""Data: what users give, as arrays that Theano's functions take.

============ ==========================================================================
``arrays``   conversion and checks of arrays, tables, sequences and sparse matrices
``sources``  batches: made of arrays, or by callables and iterators of the user's
``balance``  weights of classes, and batches that hold one class only
============ ==========================================================================
"""

from .arrays import *
