//! The protocol of this project as a dialect.

use signal_hub::hub::Config;

use super::dialect::{Connection, Dialect, Frame, Mute, Operation, Promises, Turn};

/// It.
pub struct Own(Promises);

impl Own {
    /// As a hub with these settings speaks it.
    pub fn new(config: &Config) -> Self {
        Self(promises_of(config))
    }
}

/// What a hub with these settings promises.
pub fn promises_of(_config: &Config) -> Promises {
    Promises::default()
}

impl Dialect for Own {
    fn promises(&self) -> &Promises {
        &self.0
    }

    fn opened(&mut self, _connection: Connection) -> Turn {
        Turn::default()
    }

    fn say(&mut self, _connection: Connection, _operation: &Operation) -> Result<Turn, Mute> {
        Ok(Turn::default())
    }

    fn hear(&mut self, _connection: Connection, _frame: &Frame) -> Result<Turn, Mute> {
        Ok(Turn::default())
    }

    fn closed(&mut self, _connection: Connection) {}
}
