//! The pages in front of a house in this process: roads that a person walks without scripts, and rules that hold on every
//! page.

mod cameras;
mod colours;
mod danger;
mod every_page;
mod html;
mod roads;
mod things;
mod visitor;
mod wording;
