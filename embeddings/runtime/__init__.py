"""What encoders and readers share: finding a model, converting it once, running it on the CPU.

Read ``openvino`` first (compiles and runs a graph), then ``int8`` (weights in 8 bits). ``source`` says what a
model's name refers to. ``converted`` is the folder that a converted model lies in, ``model_cache`` the folder of
all of them, and ``conversion`` the child process that makes one.
"""
