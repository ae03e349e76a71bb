/// Cuts `rows`, which were queried with one row more than `size`, to one page, and gives the key of the page's last row
/// where another page follows. The next page begins after that key, so no page costs more than the first.
pub fn cut<R, K>(rows: &mut Vec<R>, size: i64, key: impl FnOnce(&R) -> K) -> Option<K> {
    let size = usize::try_from(size).unwrap_or_default();
    let more = rows.len() > size;
    rows.truncate(size);
    rows.last().filter(|_| more).map(key)
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn a_page_names_its_last_row_only_where_another_follows() {
        let pages = [(0, None), (2, None), (3, None), (4, Some(2)), (9, Some(2))];
        for (there, next) in pages {
            let mut rows: Vec<usize> = (0..there).collect();
            assert_eq!(cut(&mut rows, 3, |row| *row), next, "{there} rows");
            assert_eq!(rows.len(), there.min(3));
        }
    }
}
