"""What theanets costs beside other libraries, in time and in memory.

``python -m benchmarks`` runs everything, and ``python -m benchmarks --list`` says what there is. Each contender runs in
a process of its own, and the processes take turns, so that what else a machine does meets all of them alike. All start
from the same weights and see the same batches in the same order; the losses that they reach are printed beside the
times.

================ =====================================================================
``workloads``    what is computed: models, data, initial weights
``jobs``         what people do with networks: grids, searches, folds, cells of a notebook
``contenders``   who computes it, a module for each library
``worker``       the process of a contender
``session``      the processes taking turns
``statistics``   medians, ratios, growth
``marks``        what theanets should reach
``report``       tables, and ``RESULTS.md``
``plots``        curves of the cost against width, depth, batch size and length
``machine``      hardware and versions
================ =====================================================================
"""
