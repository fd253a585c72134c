"""What people look at: tables of layers, pictures of networks, and plots of training and of what was learned.

=========== ==================================================================
``summary`` the layers of a network as a table
``drawing`` the layers of a network as a picture (SVG)
``layout``  where to put the boxes of a picture, for any directed graph
``plot``    plots by matplotlib, which only this module imports
``wording`` words and numbers for layers and losses, for all of them
=========== ==================================================================
"""
