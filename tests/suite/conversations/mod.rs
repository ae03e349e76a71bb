//! The inbox as a work list: its views, its marks, and what they are read from.

mod browser;
mod kept;
mod work_list;
