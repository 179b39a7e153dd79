"""What a dataset is and how it is phrased; needs neither TensorFlow nor JAX."""
