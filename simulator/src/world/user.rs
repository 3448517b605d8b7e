//! Users: the people and bots that write.

/// A user or bot.
#[derive(Clone, Debug)]
pub struct User {
    /// Telegram's user id.
    pub id: i64,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: Option<String>,
    /// Username without `@`.
    pub username: Option<String>,
    /// Whether it is a bot.
    pub bot: bool,
}

impl User {
    /// First and last name with a space between.
    #[must_use]
    pub fn full_name(&self) -> String {
        match &self.last_name {
            Some(last) => format!("{} {last}", self.first_name),
            None => self.first_name.clone(),
        }
    }
}
