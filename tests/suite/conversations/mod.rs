//! The inbox as a work list: its views, its marks, and the columns from which they are read.

mod browser;
mod kept;
mod work_list;
