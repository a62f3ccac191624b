//! What goes wrong.

use protocol::Round;

use super::body::Body;
use super::world::{Event, World};

impl<B: Body> World<B> {
    pub(super) fn is_faulty(&self) -> bool {
        self.now < self.faults.until_ms
    }

    pub(super) fn dies(&mut self) -> bool {
        self.is_faulty() && self.random.happens(self.faults.deaths)
    }

    pub(super) fn kill_leader(&mut self) {
        self.figures.leader_deaths += 1;
        self.leader.life = None;
        self.leader.number += 1;
        for worker in &mut self.workers {
            worker.link = None;
        }
        self.later(1, self.faults.down_ms, Event::StartLeader);
    }

    pub(super) fn kill_worker(&mut self, index: usize) {
        self.figures.worker_deaths += 1;
        self.lose_files(index);
        self.workers[index].life = None;
        self.workers[index].number += 1;
        self.workers[index].done = false;
        self.cut(index);
        self.later(1, self.faults.down_ms, Event::StartWorker { worker: index });
    }

    /// What was handed in and not written yet may be there, up to some point, or gone.
    fn lose_files(&mut self, index: usize) {
        let me = self.worker_id(index);
        let Some(life) = &self.workers[index].life else { return };
        let newest = life.performer.core().head().map_or(Round(0), |head| head.round);
        let mut upto = life.written;
        let handed = life.handed;
        while upto < handed && self.random.happens(500_000) {
            upto += 1;
        }
        self.figures.files_lost += handed - upto;
        self.write_files(index, upto);
        let kept = B::head(&self.workers[index].disk.files).map_or(Round(0), |head| head.round);
        self.oracle.fell_back(me, kept, newest);
    }

    pub(super) fn fault(&mut self) {
        if !self.is_faulty() {
            return;
        }
        let index = self.random.between(0, self.workers.len() as u64 - 1) as usize;
        match self.random.between(0, if self.faults.partitions { 6 } else { 4 }) {
            0 | 1 if self.workers[index].life.is_some() => self.kill_worker(index),
            2 => self.kill_leader(),
            3 => {
                for index in 0..self.workers.len() {
                    if self.workers[index].life.is_some() {
                        self.kill_worker(index);
                    }
                }
                self.kill_leader();
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

    fn cut_for_a_while(&mut self, index: usize) {
        self.cut(index);
        self.later(1, self.faults.down_ms, Event::Connect { worker: index });
    }
}
