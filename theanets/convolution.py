"""Models of images: what :mod:`theanets.feedforward` has, for data of shape (examples, width, height, channels).

The first layer is the shape of an image, such as ``(28, 28, 1)``; a number alone is a number of channels, for images
of any size. Then come layers of :mod:`theanets.layers.convolution`. Layers that read the image as a whole come after a
layer ``'flat'``; dense layers before it act on each point of the image by itself.

>>> import theanets.convolution
>>> net = theanets.convolution.Classifier([
...     (28, 28, 1),
...     dict(form="conv2", size=16, filter_size=5),
...     dict(form="pool2", pool_size=2),
...     "flat",
...     10,
... ])
>>> [layer.output_shape for layer in net.layers]
[(28, 28, 1), (24, 24, 16), (12, 12, 16), (2304,), (10,)]
"""

from . import feedforward

__all__ = ["Autoencoder", "Regressor", "Classifier"]


class Autoencoder(feedforward.Autoencoder):
    """A model that learns to reproduce images.

    Parameters
    ----------
    layers, loss, weighted, rng
        See :class:`theanets.Autoencoder`. The last layer must have the shape of the first.

    See Also
    --------
    theanets.feedforward.Autoencoder : Its other methods; arrays of examples are images here.

    Examples
    --------
    >>> import numpy as np
    >>> net = Autoencoder([
    ...     (8, 8, 1),
    ...     dict(form="conv2", size=4, filter_size=3, stride=2, border_mode="same"),
    ...     "flat",
    ...     64,
    ...     dict(form="reshape", shape=(8, 8, 1)),
    ... ])
    >>> images = np.zeros((5, 8, 8, 1))
    >>> net.encode(images, "hid1").shape, net.predict(images).shape
    ((5, 4, 4, 4), (5, 8, 8, 1))
    """

    INPUT_NDIM = 4
    OUTPUT_NDIM = 4


class Regressor(feedforward.Regressor):
    """A model that learns to predict numbers from images.

    Parameters
    ----------
    layers, loss, weighted, rng
        See :class:`theanets.Regressor`.

    Notes
    -----
    The data for training are ``[x, y]`` or ``[x, y, weights]``: x of shape (num-examples, width, height, channels); y
    and weights of the shape of the last layer's output, which is an image itself if there is no layer ``'flat'``.

    Examples
    --------
    >>> import numpy as np
    >>> filters = dict(form="conv2", size=4, filter_size=3)
    >>> Regressor([(8, 8, 1), filters, "flat", 2]).predict(np.zeros((5, 8, 8, 1))).shape
    (5, 2)
    >>> Regressor([(8, 8, 1), filters, 2]).predict(np.zeros((5, 8, 8, 1))).shape
    (5, 6, 6, 2)
    """

    INPUT_NDIM = 4

    def _default_target(self):
        return len(self.layers[-1].output_shape) + 1


class Classifier(feedforward.Classifier):
    """A model that learns to tell images apart.

    Parameters
    ----------
    layers, loss, weighted, rng
        See :class:`theanets.Classifier`. The size of the last layer is the number of classes.

    Notes
    -----
    The data for training are ``[x, y]`` or ``[x, y, weights]``: x of shape (num-examples, width, height, channels); y,
    the labels from 0 to (number of classes - 1), and weights of shape (num-examples, ). Without a layer ``'flat'`` each
    point of an image is classified, and labels and weights are of shape (num-examples, width, height).

    Examples
    --------
    >>> import numpy as np
    >>> filters = dict(form="conv2", size=4, filter_size=3)
    >>> Classifier([(8, 8, 1), filters, "flat", 10]).predict(np.zeros((5, 8, 8, 1))).shape
    (5,)
    """

    INPUT_NDIM = 4

    def _default_target(self):
        return len(self.layers[-1].output_shape)
