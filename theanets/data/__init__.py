"""Data: conversion, checks and batches of the arrays that users give.

============ ================================================================================
``arrays``   conversion and checks of arrays, tables, sequences and sparse matrices
``sources``  where batches come from: arrays, callables, iterables and users' datasets
``batches``  the order of training data, and batches that are cut out of arrays in that order
``blocks``   data larger than memory: memory-mapped arrays, and rows of Parquet and Arrow files
``balance``  weights of classes, and batches that hold one class only
============ ================================================================================
"""

from .arrays import *
from .blocks import Arrow
