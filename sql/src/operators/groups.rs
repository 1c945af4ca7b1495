//! Dense numbers for the keys of a batch, or of several.

use hashbrown::HashTable;

use crate::rows::Keys;

/// Keys by number, in the order in which they came. A key may be divided into spaces, such as windows.
#[derive(Default)]
pub(crate) struct Groups {
    table: HashTable<u32>,
    keys: Vec<Group>,
    arena: Vec<u8>,
}

struct Group {
    hash: u64,
    space: i64,
    start: u32,
    end: u32,
}

/// Spreads the windows of one key over the table.
fn slot(hash: u64, space: i64) -> u64 {
    (hash ^ hash.rotate_left(32)).wrapping_add((space as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

impl Groups {
    /// Appends the group of each row to `ids`. `spaces` has one for each row, or is empty.
    pub fn assign(&mut self, keys: &Keys, spaces: &[i64], ids: &mut Vec<u32>) {
        ids.clear();
        ids.reserve(keys.len());
        for row in 0..keys.len() {
            let (hash, bytes) = (keys.hash(row), keys.bytes(row));
            let space = if spaces.is_empty() { 0 } else { spaces[row] };
            ids.push(self.id(hash, bytes, space));
        }
    }

    #[inline]
    fn id(&mut self, hash: u64, bytes: &[u8], space: i64) -> u32 {
        let Self { table, keys, arena } = self;
        let is_same = |id: &u32| {
            let group = &keys[*id as usize];
            group.hash == hash
                && group.space == space
                && &arena[group.start as usize..group.end as usize] == bytes
        };
        if let Some(id) = table.find(slot(hash, space), is_same) {
            return *id;
        }
        let id = keys.len() as u32;
        table.insert_unique(slot(hash, space), id, |id| {
            let group = &keys[*id as usize];
            slot(group.hash, group.space)
        });
        let start = arena.len() as u32;
        arena.extend_from_slice(bytes);
        keys.push(Group { hash, space, start, end: arena.len() as u32 });
        id
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn key(&self, id: usize) -> &[u8] {
        let group = &self.keys[id];
        &self.arena[group.start as usize..group.end as usize]
    }

    pub fn hash(&self, id: usize) -> u64 {
        self.keys[id].hash
    }

    pub fn space(&self, id: usize) -> i64 {
        self.keys[id].space
    }

    /// The groups, in runs that share a space.
    pub fn by_space(&self) -> Vec<Vec<usize>> {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by_key(|id| self.space(*id));
        order.chunk_by(|a, b| self.space(*a) == self.space(*b)).map(<[usize]>::to_vec).collect()
    }

    /// Forgets all keys and keeps the room.
    pub fn clear(&mut self) {
        self.table.clear();
        self.keys.clear();
        self.arena.clear();
    }
}
