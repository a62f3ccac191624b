//! Lines of bounded length from a child's standard output.
//!
//! Invariants: never more than [`LINE_BYTES_MAX`] bytes are held; a longer line is skipped to its end and reported
//! once; a last line without its newline counts, since a killed child may leave one.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// The longest line that is kept, in bytes: the line of a round with a full roster is some tens of KiB.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// One line of a stream.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// The line's bytes without the newline.
    Whole(Vec<u8>),
    /// A line longer than [`LINE_BYTES_MAX`], skipped.
    TooLong,
    /// The stream has ended.
    End,
}

/// Reads the next line.
///
/// # Errors
/// When the stream cannot be read.
pub async fn next_line<R: AsyncBufRead + Unpin>(reader: &mut R) -> io::Result<Line> {
    let mut line = Vec::new();
    let mut too_long = false;
    loop {
        let (used, ended) = {
            let available = reader.fill_buf().await?;
            if available.is_empty() {
                return Ok(at_end(line, too_long));
            }
            let newline = available.iter().position(|byte| *byte == b'\n');
            let part = &available[..newline.unwrap_or(available.len())];
            too_long |= line.len() + part.len() > LINE_BYTES_MAX;
            if too_long {
                line = Vec::new();
            } else {
                line.extend_from_slice(part);
            }
            (part.len() + usize::from(newline.is_some()), newline.is_some())
        };
        reader.consume(used);
        if ended {
            return Ok(if too_long { Line::TooLong } else { Line::Whole(line) });
        }
    }
}

fn at_end(line: Vec<u8>, too_long: bool) -> Line {
    match (too_long, line.is_empty()) {
        (true, _) => Line::TooLong,
        (false, true) => Line::End,
        (false, false) => Line::Whole(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::BufReader;

    async fn lines(bytes: &[u8], buffer: usize) -> Vec<Line> {
        let mut reader = BufReader::with_capacity(buffer, bytes);
        let mut lines = Vec::new();
        loop {
            match next_line(&mut reader).await.unwrap() {
                Line::End => return lines,
                line => lines.push(line),
            }
        }
    }

    fn whole(text: &str) -> Line {
        Line::Whole(text.as_bytes().to_vec())
    }

    #[tokio::test]
    async fn lines_are_whole_whatever_the_size_of_the_reads() {
        for buffer in [1, 2, 3, 7, 4096] {
            let expected = [whole("first"), whole(""), whole("second"), whole("torn")];
            assert_eq!(lines(b"first\n\nsecond\ntorn", buffer).await, expected, "reads of {buffer}");
        }
    }

    #[tokio::test]
    async fn a_line_at_the_bound_is_kept_and_one_above_is_skipped() {
        let mut bytes = vec![b'a'; LINE_BYTES_MAX];
        bytes.push(b'\n');
        bytes.extend(vec![b'b'; LINE_BYTES_MAX + 1]);
        bytes.extend(b"\nnext\n");
        let lines = lines(&bytes, 8192).await;
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0], Line::Whole(vec![b'a'; LINE_BYTES_MAX]));
        assert_eq!(lines[1..], [Line::TooLong, whole("next")]);
    }

    #[tokio::test]
    async fn an_endless_line_ends_with_its_stream() {
        assert_eq!(lines(&vec![b'c'; 3 * LINE_BYTES_MAX], 4096).await, [Line::TooLong]);
    }
}
