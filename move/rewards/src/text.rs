//! Numbers and tables as people read them.

/// A number with a comma at each thousand.
pub(crate) fn grouped(number: impl Into<u128>) -> String {
    let digits = number.into().to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Columns two spaces apart; those whose heading begins with `<` to the left, the others to the right.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let names: Vec<String> = headings.iter().map(|heading| heading.trim_start_matches('<').into()).collect();
    let lines: Vec<&Vec<String>> = std::iter::once(&names).chain(rows).collect();
    let cell = |line: &[String], column: usize| line.get(column).cloned().unwrap_or_default();
    let widths: Vec<usize> = (0..headings.len())
        .map(|column| lines.iter().map(|line| cell(line, column).chars().count()).max().unwrap_or(0))
        .collect();
    let render = |line: &[String]| {
        let cells = headings.iter().zip(&widths).enumerate().map(|(column, (heading, width))| {
            let text = cell(line, column);
            if heading.starts_with('<') { format!("{text:<width$}") } else { format!("{text:>width$}") }
        });
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    lines.iter().map(|line| render(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::{grouped, table};

    #[test]
    fn thousands_are_grouped() {
        let cases = [(0_u64, "0"), (999, "999"), (1000, "1,000"), (999_999, "999,999"), (1_234_567, "1,234,567")];
        for (number, text) in cases {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(grouped(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn columns_align() {
        let rows = [vec!["a".into(), "1".into(), "x".into()], vec!["bcd".into(), "1,000".into(), String::new()]];
        assert_eq!(table(&["<name", "n", "<tx"], &rows), "name      n  tx\na         1  x\nbcd   1,000\n");
    }
}
