//! The whole way, as people go it.

mod whole_path;
