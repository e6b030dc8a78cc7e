"""Where AnyDoor puts an object into a scene (arXiv:2307.09481 and ali-vilab/AnyDoor, whose arithmetic this follows).

Boxes are (x0, y0, x1, y1) as everywhere; upstream's outlines leave out the last row and column, and so do these. Chance
comes as `Draws`, in the order in which upstream draws, so that recorded draws give upstream's own pictures.
"""
