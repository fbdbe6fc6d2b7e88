//! A list whose members keep their place, so that each can be taken out at once.

/// What is listed, by place.
#[derive(Debug)]
pub(crate) struct Places<T> {
    /// A left place is empty, listed in `free`, and taken again.
    places: Vec<Option<T>>,
    free: Vec<usize>,
}

impl<T> Default for Places<T> {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Places<T> {
    /// Lists something; its place.
    pub fn add(&mut self, member: T) -> usize {
        if let Some(index) = self.free.pop()
            && let Some(place) = self.places.get_mut(index)
        {
            *place = Some(member);
            return index;
        }
        self.places.push(Some(member));
        self.places.len() - 1
    }

    /// Takes out what is in a place; only once for each that was added.
    pub fn remove(&mut self, index: usize) {
        if let Some(place) = self.places.get_mut(index) {
            *place = None;
            self.free.push(index);
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// All of them, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.places.iter().flatten()
    }
}
