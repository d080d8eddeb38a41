//! What a capture cannot show: orders of arrival, memory, what never ends.
