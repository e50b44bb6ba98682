"""Rendered skin in patches, the network trained on it, and how it is judged.

    fields     random fields by FFT, strokes and blurs           anatomy   what one patch of skin has: lists, no pixels
    surface    lists -> linear light                             labels    what of it can be seen, from the clean scene
    capture    linear light -> photograph                        treat     the same skin after a planted change
    render     one seed -> scene, labels, two captures           shards    many of them on disk, for training
"""
