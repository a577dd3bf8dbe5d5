//! Durations and sizes as people write them, for serde: `#[serde(with = "human::duration")]`.

/// `250ms`, `30s`, `1m30s`.
pub(crate) mod duration {
    use std::time::Duration;

    use longshore_config::{format_duration, parse_duration};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(duration: &Duration, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&format_duration(*duration))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(input)?;
        parse_duration(&text)
            .ok_or_else(|| D::Error::custom(format!("{text:?} is no duration: write 250ms, 30s or 1m30s")))
    }
}

/// The same where there may be none.
pub(crate) mod optional_duration {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(duration: &Option<Duration>, out: S) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::duration::serialize(duration, out),
            None => out.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Duration>, D::Error> {
        #[derive(Deserialize)]
        struct Text(#[serde(with = "super::duration")] Duration);
        Ok(Option::<Text>::deserialize(input)?.map(|text| text.0))
    }
}

/// `700MB`, `4GiB`, or a number of bytes.
pub(crate) mod bytes {
    use longshore_config::ByteSize;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(u64),
        Text(String),
    }

    pub(crate) fn serialize<S: Serializer>(bytes: &u64, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_u64(*bytes)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<u64, D::Error> {
        match Written::deserialize(input)? {
            Written::Number(bytes) => Ok(bytes),
            Written::Text(text) => ByteSize::parse(&text)
                .map(ByteSize::get)
                .ok_or_else(|| D::Error::custom(format!("{text:?} is no size: write 700MB or 4GiB"))),
        }
    }
}
