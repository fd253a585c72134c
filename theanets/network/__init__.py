"""The parts (mixin classes) of :class:`theanets.Network`, one for each thing that a network can do, and their helpers.

============== ===============================================================================
``training``   ``train``, ``itertrain``, the history and the learning rate of a training
``evaluation`` ``predict``, ``feed_forward`` and scores: compiled functions of the layers
``gradients``  ``gradient`` of an output or a loss
``transfer``   ``copy_params_from`` another network
``inspection`` ``summary``, ``draw`` and ``to_onnx``
``specs``      the short forms in which layers are written down
``monitoring`` what ``monitors=`` reports in training
``fitting``    checks that the targets of losses fit the outputs of layers
``caching``    caches of graphs and compiled functions, and the cache keys of layers
``part``       the base class of all parts, with the attributes that they use
============== ===============================================================================
"""
