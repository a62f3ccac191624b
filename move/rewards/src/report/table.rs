//! The report as text.

use super::{Report, Row};
use crate::hex;
use crate::text::{grouped, table};

const HEADINGS: [&str; 12] = [
    "#",
    "<worker",
    "<account",
    "compute ms",
    "quality",
    "bytes",
    "uptime",
    "score",
    "base",
    "bonus",
    "reward",
    "<transaction",
];

/// Digits of an id that are enough to tell workers apart.
const DIGITS: usize = 8;

pub(super) fn render(report: &Report) -> String {
    let rows: Vec<Vec<String>> = report.workers.iter().map(cells).chain([sums(report)]).collect();
    format!("{}\n\n{}\n{}\n", heading(report), table(&HEADINGS, &rows), totals(report))
}

fn heading(report: &Report) -> String {
    let (pool, base, bonus) = (grouped(report.pool), grouped(report.base_pool), grouped(report.bonus_pool));
    let (base_percentage, bonus_percentage) = (report.rules.base_percentage(), report.rules.bonus_percentage());
    format!(
        "session {}, {} settlements: base {base} ({base_percentage} %) + bonus {bonus} ({bonus_percentage} %) = pool \
         {pool}; quality bonus above {}",
        report.session,
        report.settlements,
        report.rules.quality_threshold(),
    )
}

fn cells(row: &Row) -> Vec<String> {
    let more = if row.further_workers.is_empty() { String::new() } else { format!(" +{}", row.further_workers.len()) };
    vec![
        row.rank.to_string(),
        format!("{}{more}", short(&hex::bare(&row.worker))),
        format!("0x{}", short(&hex::bare(&row.address))),
        grouped(row.compute_time),
        row.gradient_quality.to_string(),
        grouped(row.data_transmitted),
        row.uptime_ratio.to_string(),
        grouped(row.score),
        grouped(row.base),
        grouped(row.bonus),
        grouped(row.reward),
        row.tx.clone().unwrap_or_default(),
    ]
}

fn sums(report: &Report) -> Vec<String> {
    let sum = |of: fn(&Row) -> u64| grouped(report.workers.iter().map(|row| u128::from(of(row))).sum::<u128>());
    let mut cells = vec![String::new(); HEADINGS.len()];
    cells[1] = "total".into();
    cells[3] = sum(|row| row.compute_time);
    cells[5] = sum(|row| row.data_transmitted);
    cells[7] = sum(|row| row.score);
    cells[8] = sum(|row| row.base);
    cells[9] = sum(|row| row.bonus);
    cells[10] = sum(|row| row.reward);
    cells
}

fn totals(report: &Report) -> String {
    let paid = format!("total {} of a pool of {}", grouped(report.total), grouped(report.pool));
    if report.returned == 0 {
        return paid;
    }
    format!("{paid}: no score is above 0, so {} go back to the sponsor", grouped(report.returned))
}

fn short(digits: &str) -> String {
    digits.chars().take(DIGITS).collect()
}
