//! Work on files as root of a user namespace: changing owners, and removing what others own.
