"""Visualization: tables of layers, drawings of networks, and plots of training and of learned weights.

=========== ==================================================================
``summary`` the layers of a network as a table
``drawing`` the layers of a network as a picture (SVG)
``layout``  layered layout of the boxes of a drawing, for any directed acyclic graph
``plot``    plots by matplotlib, which only this module imports
``wording`` text for layers, losses and numbers, which the others share
=========== ==================================================================
"""
