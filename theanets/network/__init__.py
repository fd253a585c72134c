"""The parts (mixin classes) of :class:`theanets.Network`, one for each thing that a network can do, and their helpers.

============== ===============================================================================
``training``   ``train``, ``itertrain``, the history and the learning rate of a training
``evaluation`` ``predict``, ``feed_forward``, ``score`` and ``step``
``metrics``    ``evaluate``: metrics of scikit-learn
``gradients``  ``gradient`` of an output or a loss
``transfer``   ``copy_params_from`` another network
``saving``     ``save`` and ``load``, pickles and copies
``inspection`` ``summary``, ``draw`` and ``to_onnx``
``portable``   ``to_jax`` and ``export``
``functions``  compiled functions, and the variables and shapes of their data
``noise``      noise and dropout in functions that do not train: levels and random states
``structure``  descriptions of a network, which are cache keys of what is compiled for it
``caching``    caches of graphs and compiled functions, and the cache keys of layers
``padding``    padding of the data of predictions, so that XLA compiles for few shapes
``alignment``  targets in the shape of predictions
``specs``      the short forms in which layers are written down
``monitoring`` what ``monitors=`` reports in training
``fitting``    checks that the targets of losses fit the outputs of layers
``agreement``  checks that all processes that train one network are given the same
``part``       the base class of all parts, with the attributes that they use
============== ===============================================================================
"""
