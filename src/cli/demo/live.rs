//! A line a second about the running demonstration, from Larder's own `/metrics`.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use super::shop::{Route, Shop};
use super::table::{millis, percent, quantile};
use crate::cli::client::{Client, ClientError};

/// What has been counted until some moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Figures {
    requests: u64,
    /// Answered from the store, fresh or stale, or with another request's answer.
    spared: u64,
    /// Hits that took no longer than the bound, in seconds, by rising bound.
    hit_buckets: Vec<(f64, u64)>,
}

impl Figures {
    /// Asks the admin port.
    pub(super) async fn fetch(admin: &mut Client) -> Result<Figures, ClientError> {
        let request = Request::new(Full::<Bytes>::default());
        let (mut parts, body) = request.into_parts();
        parts.uri = http::Uri::from_static("/metrics");
        let answer = admin.send(Request::from_parts(parts, body)).await?;
        Ok(Figures::read(&String::from_utf8_lossy(answer.body())))
    }

    /// Reads an exposition.
    fn read(text: &str) -> Figures {
        let mut figures = Figures::default();
        for line in text.lines() {
            let Some((series, value)) = line.rsplit_once(' ') else {
                continue;
            };
            let value: u64 = value.parse().unwrap_or_default();
            let outcome = label(series, "outcome").unwrap_or_default();
            if series.starts_with("larder_requests_total{") {
                figures.requests += value;
                figures.spared += if matches!(outcome, "hit" | "stale" | "collapsed") {
                    value
                } else {
                    0
                };
            } else if series.starts_with("larder_request_duration_seconds_bucket{") && outcome == "hit" {
                figures.add_to_bucket(label(series, "le").and_then(|le| le.parse().ok()), value);
            }
        }
        figures.hit_buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        figures
    }

    fn add_to_bucket(&mut self, bound: Option<f64>, value: u64) {
        let Some(bound) = bound else { return };
        match self
            .hit_buckets
            .iter_mut()
            .find(|(known, _)| known.total_cmp(&bound).is_eq())
        {
            Some((_, sum)) => *sum += value,
            None => self.hit_buckets.push((bound, value)),
        }
    }

    /// The line about what happened since `earlier`; `origin` holds the shop's durations since.
    pub(super) fn line(&self, earlier: &Figures, origin: &mut [Duration]) -> String {
        let requests = self.requests.saturating_sub(earlier.requests);
        let spared = self.spared.saturating_sub(earlier.spared);
        format!(
            "{requests:>7} requests   {:>7} hits   hit p50 {:>8}   origin p50 {:>8}   {} origin calls\n",
            percent(spared, requests),
            millis(self.hit_median(earlier)),
            millis(quantile(origin, 0.5)),
            origin.len(),
        )
    }

    /// Where the median lies, as if durations were spread evenly within a bucket.
    #[allow(clippy::cast_precision_loss, reason = "an estimate")]
    fn hit_median(&self, earlier: &Figures) -> Option<Duration> {
        let before = |bound: f64| {
            let known = earlier
                .hit_buckets
                .iter()
                .find(|(known, _)| known.total_cmp(&bound).is_eq());
            known.map(|(_, sum)| *sum).unwrap_or_default()
        };
        let since = self
            .hit_buckets
            .iter()
            .map(|&(bound, sum)| (bound, sum.saturating_sub(before(bound))));
        let buckets: Vec<(f64, u64)> = since.collect();
        let half = buckets.last().filter(|(_, all)| *all > 0)?.1 as f64 / 2.0;
        let mut below = (0.0, 0);
        for &(bound, sum) in &buckets {
            if sum as f64 >= half {
                let share = (half - below.1 as f64) / (sum - below.1) as f64;
                let bound = if bound.is_finite() { bound } else { below.0 };
                return Some(Duration::from_secs_f64(below.0 + share * (bound - below.0)));
            }
            below = (bound, sum);
        }
        None
    }
}

/// Which of the shop's calls were seen already, by route.
#[derive(Debug, Default)]
pub(super) struct Seen([usize; Route::ALL.len()]);

impl Seen {
    /// The durations of the calls since the last time.
    pub(super) fn news(&mut self, shop: &Shop) -> Vec<Duration> {
        let mut news = Vec::new();
        for (seen, route) in self.0.iter_mut().zip(Route::ALL) {
            let durations = shop.durations(route);
            news.extend(durations.iter().skip(*seen));
            *seen = durations.len();
        }
        news
    }
}

fn label<'a>(series: &'a str, name: &str) -> Option<&'a str> {
    let named = |pair: &'a str| pair.strip_prefix(name)?.strip_prefix("=\"")?.strip_suffix('"');
    let labels = series.split_once('{')?.1.strip_suffix('}')?;
    labels.split(',').find_map(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "larder_requests_total{rule=\"a\",outcome=\"miss\"} 5\n";
    const AFTER: &str = "\
# TYPE larder_requests_total counter
larder_requests_total{rule=\"a\",outcome=\"miss\"} 10
larder_requests_total{rule=\"a\",outcome=\"hit\"} 14
larder_requests_total{rule=\"b\",outcome=\"collapsed\"} 1
larder_request_duration_seconds_bucket{rule=\"a\",outcome=\"hit\",le=\"0.001\"} 4
larder_request_duration_seconds_bucket{rule=\"a\",outcome=\"hit\",le=\"0.002\"} 10
larder_request_duration_seconds_bucket{rule=\"a\",outcome=\"hit\",le=\"+Inf\"} 10
larder_request_duration_seconds_bucket{rule=\"b\",outcome=\"hit\",le=\"0.001\"} 0
larder_request_duration_seconds_bucket{rule=\"b\",outcome=\"hit\",le=\"0.002\"} 4
larder_request_duration_seconds_bucket{rule=\"b\",outcome=\"hit\",le=\"+Inf\"} 4
larder_request_duration_seconds_bucket{rule=\"a\",outcome=\"miss\",le=\"+Inf\"} 10
";

    #[test]
    fn a_line_tells_what_happened_since_the_last() {
        let (before, after) = (Figures::read(BEFORE), Figures::read(AFTER));
        let line = after.line(&before, &mut [Duration::from_millis(200)]);
        assert!(line.contains("20 requests"), "{line}");
        assert!(line.contains("75.0 % hits"), "{line}");
        assert!(line.contains("hit p50  1.30 ms"), "{line}");
        assert!(line.contains("origin p50   200 ms   1 origin calls"), "{line}");
    }

    #[test]
    fn nothing_happened_is_a_line_without_figures() {
        let figures = Figures::read(AFTER);
        let line = figures.line(&figures, &mut []);
        assert!(line.contains("0 requests"), "{line}");
        assert!(line.contains("hit p50        -"), "{line}");
    }
}
