//! The whole way, as people go it.


mod crash;
mod whole_path;
