"""Foundation: the native library and checks shared by all layers."""
