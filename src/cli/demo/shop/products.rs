//! The table of products. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// What the shop sells.
pub(super) const CATEGORIES: [&str; 5] = ["bread", "cheese", "fruit", "tea", "wine"];
/// How many products it begins with.
pub(super) const SAMPLE: usize = 100;

/// One product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Product {
    pub(super) name: String,
    pub(super) category: String,
    /// In cents.
    pub(super) price: u64,
    pub(super) stock: u64,
    /// Raised by every write to this product.
    pub(super) revision: u64,
}

/// All products by SKU.
#[derive(Debug)]
pub(super) struct Products {
    table: BTreeMap<String, Product>,
    /// Raised by every write.
    revision: u64,
}

/// The SKU of the sample's product `number`, from 0.
pub(super) fn sku(number: usize) -> String {
    format!("sku-{number:03}")
}

impl Products {
    pub(super) fn sample() -> Self {
        let product = |number: usize| {
            let category = CATEGORIES
                .get(number % CATEGORIES.len())
                .copied()
                .unwrap_or("tea");
            let product = Product {
                name: format!("{category} no. {number}"),
                category: category.to_owned(),
                price: 199 + (number as u64 * 37) % 3_000,
                stock: (number as u64 * 13) % 90,
                revision: 0,
            };
            (sku(number), product)
        };
        Self {
            table: (0..SAMPLE).map(product).collect(),
            revision: 0,
        }
    }

    pub(super) fn get(&self, sku: &str) -> Option<&Product> {
        self.table.get(sku)
    }

    /// A page of those in `category`, or of all.
    pub(super) fn page(&self, category: Option<&str>, page: usize, limit: usize) -> Value {
        let chosen: Vec<_> = self
            .table
            .iter()
            .filter(|(_, p)| category.is_none_or(|wanted| p.category == wanted))
            .collect();
        let first = page.saturating_sub(1).saturating_mul(limit);
        let items: Vec<_> = chosen
            .iter()
            .skip(first)
            .take(limit)
            .map(|(sku, p)| p.shown(sku))
            .collect();
        json!({ "page": page, "limit": limit, "total": chosen.len(), "revision": self.revision, "items": items })
    }

    pub(super) fn stats(&self) -> Value {
        let mut categories = Map::new();
        for category in CATEGORIES {
            let number = self.table.values().filter(|p| p.category == category).count();
            categories.insert(category.to_owned(), json!(number));
        }
        let stock: u64 = self.table.values().map(|p| p.stock).sum();
        json!({ "products": self.table.len(), "stock": stock, "categories": categories, "revision": self.revision })
    }

    /// Adds a product under a new SKU, which is returned.
    pub(super) fn add(&mut self, fields: &Map<String, Value>) -> String {
        self.revision += 1;
        let number = (self.table.len()..)
            .find(|&n| !self.table.contains_key(&sku(n)))
            .unwrap_or_default();
        let mut product = Product {
            name: "new".into(),
            category: "tea".into(),
            price: 100,
            stock: 0,
            revision: self.revision,
        };
        product.change(fields);
        self.table.insert(sku(number), product);
        sku(number)
    }

    /// Changes a product; `None`: there is none with this SKU.
    pub(super) fn change(&mut self, sku: &str, fields: &Map<String, Value>) -> Option<&Product> {
        let product = self.table.get_mut(sku)?;
        self.revision += 1;
        product.revision += 1;
        product.change(fields);
        Some(product)
    }

    /// Removes a product; `false`: there is none with this SKU.
    pub(super) fn remove(&mut self, sku: &str) -> bool {
        let found = self.table.remove(sku).is_some();
        self.revision += u64::from(found);
        found
    }
}

impl Product {
    pub(super) fn shown(&self, sku: &str) -> Value {
        json!({
            "sku": sku,
            "name": self.name,
            "category": self.category,
            "price": self.price,
            "stock": self.stock,
            "revision": self.revision,
        })
    }

    fn change(&mut self, fields: &Map<String, Value>) {
        let text = |key| fields.get(key).and_then(Value::as_str).map(str::to_owned);
        let number = |key| fields.get(key).and_then(Value::as_u64);
        self.name = text("name").unwrap_or_else(|| self.name.clone());
        self.category = text("category").unwrap_or_else(|| self.category.clone());
        self.price = number("price").unwrap_or(self.price);
        self.stock = number("stock").unwrap_or(self.stock);
    }
}
