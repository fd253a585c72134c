r"""Layers that slide a window over their input: convolution and pooling, over time steps or over images.

==============  ====================================  =====================================
form            input, for one example                window
==============  ====================================  =====================================
:class:`Conv1`  (time, channels)                      learned filters
:class:`Conv2`  (width, height, channels)             learned filters
:class:`Pool1`  (time, channels)                      maximum, mean or sum of each channel
:class:`Pool2`  (width, height, channels)             maximum, mean or sum of each channel
==============  ====================================  =====================================

Channels are last everywhere, and "width" is the axis that comes first. Along an axis of length :math:`L`, a window of
length :math:`f` that moves in strides of :math:`s` fits

.. math:: \left\lfloor (L + p - f) / s \right\rfloor + 1

times, if there are :math:`p` zeros of padding on both sides together. Layers know these numbers before anything is
computed; where the length of the input is known only with the data, so is that of the output.
"""

from .filters import Conv1, Conv2, Convolution
from .pooling import Pool1, Pool2, Pooling

__all__ = ["Convolution", "Conv1", "Conv2", "Pooling", "Pool1", "Pool2"]
