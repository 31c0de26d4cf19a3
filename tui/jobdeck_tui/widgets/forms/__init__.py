"""The fields of forms, and other text inputs."""
