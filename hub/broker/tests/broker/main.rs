//! The broker against clients: raw sockets that say exactly what a test wants said, and `rumqttc`, which nobody here
//! wrote. One binary; each test has a broker of its own on a port of its own.

#[cfg(test)]
mod client;
#[cfg(test)]
mod crashes;
#[cfg(test)]
mod doors;
#[cfg(test)]
mod durable;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod gate;
#[cfg(test)]
mod gate_tests;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod lines;
#[cfg(test)]
mod paho;
#[cfg(test)]
mod paho3;
#[cfg(test)]
mod paho5;
#[cfg(test)]
mod peers;
#[cfg(test)]
mod promises;
#[cfg(test)]
mod protocol;
#[cfg(test)]
mod retained;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod shared;
#[cfg(test)]
mod shelf;
#[cfg(test)]
mod status;
#[cfg(test)]
mod triggers;
#[cfg(test)]
mod websockets;
#[cfg(test)]
mod wills;
