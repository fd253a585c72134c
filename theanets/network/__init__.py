"""What a network can do: each module here is a part of :class:`theanets.Network`, or serves one.

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
``part``       the base of all parts: the attributes that they may count on
============== ===============================================================================
"""
