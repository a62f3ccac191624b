//! What goes wrong.

use super::{Event, World};
use protocol::Round;

impl World {
    pub(super) fn is_faulty(&self) -> bool {
        self.now < self.faults.until_ms
    }

    pub(super) fn dies(&mut self) -> bool {
        self.is_faulty() && self.random.happens(self.faults.deaths)
    }

    pub(super) fn kill_aggregator(&mut self) {
        self.figures.aggregator_deaths += 1;
        self.aggregator.core = None;
        self.aggregator.life += 1;
        for worker in &mut self.workers {
            worker.link = None;
        }
        self.later(1, self.faults.down_ms, Event::StartAggregator);
    }

    pub(super) fn kill_worker(&mut self, index: usize) {
        self.figures.worker_deaths += 1;
        self.fall_back(index);
        self.workers[index].core = None;
        self.workers[index].life += 1;
        self.workers[index].done = false;
        self.cut(index);
        self.later(1, self.faults.down_ms, Event::StartWorker { worker: index });
    }

    /// What was not durable yet may be gone.
    fn fall_back(&mut self, index: usize) {
        let me = self.worker_id(index);
        let Some(durable) = self.workers[index].disk.durable.take() else { return };
        if self.random.happens(500_000) {
            return; // it was written in time
        }
        let newest = self.workers[index].disk.now.head.as_ref().map_or(Round(0), |head| head.round);
        let kept = durable.head.as_ref().map_or(Round(0), |head| head.round);
        self.figures.snapshots_lost += 1;
        self.oracle.fell_back(me, kept, newest);
        self.workers[index].disk.now = durable;
    }

    pub(super) fn fault(&mut self) {
        if !self.is_faulty() {
            return;
        }
        let index = self.random.between(0, self.workers.len() as u64 - 1) as usize;
        match self.random.between(0, if self.faults.partitions { 6 } else { 4 }) {
            0 | 1 if self.workers[index].core.is_some() => self.kill_worker(index),
            2 => self.kill_aggregator(),
            3 => {
                for index in 0..self.workers.len() {
                    if self.workers[index].core.is_some() {
                        self.kill_worker(index);
                    }
                }
                self.kill_aggregator();
            }
            4 => self.cut_for_a_while(index),
            5 => {
                for index in 0..self.workers.len() {
                    if self.random.happens(600_000) {
                        self.cut_for_a_while(index);
                    }
                }
            }
            6 => self.workers[index].hung_until = self.now + self.random.between(1, 2 * self.faults.down_ms),
            _ => {}
        }
        self.later(1, 2 * self.faults.every_ms, Event::Fault);
    }

    pub(super) fn cut_for_a_while(&mut self, index: usize) {
        self.cut(index);
        self.later(1, self.faults.down_ms, Event::Connect { worker: index });
    }
}
