//! The inbox as a work list: its views, its marks, and the columns from which they are read; and what becomes of a message
//! once it is sent.

mod browser;
mod kept;
mod recall;
mod recall_browser;
mod work_list;
