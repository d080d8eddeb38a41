//! Planes to JPEG, smaller where that is wanted; and the check of a JPEG that a camera made itself.
//! Deliberately no decoding of JPEG: the bytes go to the browser as they came, once their frame is sound.

use bytes::Bytes;
use jpeg_encoder::{Encoder, ImageBuffer, JpegColorType, SamplingFactor};

use super::colour::Conversion;
use super::decode::Planes;
use super::{LARGEST, Picture, PictureError};

const QUALITY: u8 = 85;
/// Segments of a JPEG before its picture.
const SEGMENTS: usize = 64;

pub(super) fn encode(planes: &Planes, widest: Option<u16>) -> Result<Picture, PictureError> {
    let (mut width, mut height) = (planes.width, planes.height);
    if let Some(widest) = widest.map(usize::from).filter(|widest| (1..width).contains(widest)) {
        height = (height * widest).div_ceil(width).max(1);
        width = widest;
    }
    let wrong = || PictureError::Damaged("it has no size".to_owned());
    let (width, height) = (u16::try_from(width).map_err(|_| wrong())?, u16::try_from(height).map_err(|_| wrong())?);
    let sheet = Sheet { planes, conversion: Conversion::of(planes.colour), width, height };
    let mut jpeg = Vec::new();
    let mut encoder = Encoder::new(&mut jpeg, QUALITY);
    encoder.set_sampling_factor(SamplingFactor::R_4_2_0);
    encoder.encode_image(sheet).map_err(|error| PictureError::Damaged(error.to_string()))?;
    Ok(Picture { jpeg: Bytes::from(jpeg), width, height })
}

/// The picture as the encoder takes it: row by row, so that no copy of it is made.
struct Sheet<'a> {
    planes: &'a Planes,
    conversion: Conversion,
    width: u16,
    height: u16,
}

impl ImageBuffer for Sheet<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }

    fn width(&self) -> u16 {
        self.width
    }

    fn height(&self) -> u16 {
        self.height
    }

    fn fill_buffers(&self, row: u16, buffers: &mut [Vec<u8>; 4]) {
        let planes = self.planes;
        let (columns, rows) = (usize::from(self.width), usize::from(self.height));
        let row = usize::from(row);
        let luma = Plane { samples: &planes.y, width: planes.width, height: planes.height };
        let (width, height) = (planes.chroma_width, planes.chroma_height);
        let blue = Plane { samples: &planes.u, width, height };
        let red = Plane { samples: &planes.v, width, height };
        let [y_out, u_out, v_out, _] = buffers;
        if (columns, rows) == (planes.width, planes.height) {
            // The usual case, without the means: one sample of luma for each pixel, of chroma for one, two or four.
            let (luma, blue, red) = (luma.line(row, rows), blue.line(row, rows), red.line(row, rows));
            let step = if width >= columns { 1 } else { 2 };
            let chroma = blue.iter().zip(red).flat_map(|pair| std::iter::repeat_n(pair, step));
            let last = blue.last().zip(red.last());
            for (y, (u, v)) in luma.iter().zip(chroma.chain(last.into_iter().cycle())) {
                let [y, u, v] = self.conversion.apply(*y, *u, *v);
                y_out.push(y);
                u_out.push(u);
                v_out.push(v);
            }
            return;
        }
        for column in 0..columns {
            let at = |plane: &Plane<'_>| plane.mean((column, columns), (row, rows));
            let [y, u, v] = self.conversion.apply(at(&luma), at(&blue), at(&red));
            y_out.push(y);
            u_out.push(u);
            v_out.push(v);
        }
    }
}

struct Plane<'a> {
    samples: &'a [u8],
    width: usize,
    height: usize,
}

impl<'a> Plane<'a> {
    /// The line that belongs to the nth of so many.
    fn line(&self, row: usize, rows: usize) -> &'a [u8] {
        let (line, _) = covered(row, rows, self.height);
        self.samples.get(line * self.width..(line + 1) * self.width).unwrap_or_default()
    }

    /// The mean of what a pixel of the result covers: the nth of so many columns, the nth of so many rows.
    fn mean(&self, (column, columns): (usize, usize), (row, rows): (usize, usize)) -> u8 {
        let (left, right) = covered(column, columns, self.width);
        let (top, bottom) = covered(row, rows, self.height);
        if right - left == 1 && bottom - top == 1 {
            return self.samples.get(top * self.width + left).copied().unwrap_or(0);
        }
        let mut sum = 0usize;
        for line in top..bottom {
            let line = self.samples.get(line * self.width + left..line * self.width + right).unwrap_or_default();
            sum += line.iter().map(|sample| usize::from(*sample)).sum::<usize>();
        }
        let count = (right - left) * (bottom - top);
        u8::try_from((sum + count / 2) / count).unwrap_or(u8::MAX)
    }
}

/// At least one sample, whether the plane is larger or smaller than the result.
fn covered(index: usize, of: usize, samples: usize) -> (usize, usize) {
    let first = (index * samples / of.max(1)).min(samples.saturating_sub(1));
    let end = ((index + 1) * samples / of.max(1)).clamp(first + 1, samples.max(first + 1));
    (first, end)
}

/// A JPEG as a camera made it: it begins and ends as one, its segments are sound up to the picture, its size is bearable.
pub(super) fn check(jpeg: Bytes) -> Result<Picture, PictureError> {
    let damaged = |what: &str| PictureError::Damaged(what.to_owned());
    let mut rest = jpeg.strip_prefix(&[0xff, 0xd8]).ok_or_else(|| damaged("it does not begin as a JPEG"))?;
    // Some cameras fill up to a multiple of four.
    let end = jpeg.len() - jpeg.iter().rev().take_while(|byte| **byte == 0).count();
    if !jpeg.get(..end).unwrap_or_default().ends_with(&[0xff, 0xd9]) {
        return Err(damaged("it does not end as a JPEG"));
    }
    let mut size = None;
    for _ in 0..SEGMENTS {
        let (marker, length) = match rest {
            [0xff, 0xff, ..] => {
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            [0xff, marker, high, low, ..] => (*marker, usize::from(u16::from_be_bytes([*high, *low]))),
            _ => return Err(damaged("a segment does not begin with a marker")),
        };
        let segment = rest.get(4..2 + length).ok_or_else(|| damaged("a segment is longer than the file"))?;
        match marker {
            // Frame headers: baseline, extended, progressive.
            0xc0..=0xc2 => match segment {
                [_, h1, h2, w1, w2, ..] => {
                    size = Some((u16::from_be_bytes([*w1, *w2]), u16::from_be_bytes([*h1, *h2])));
                }
                _ => return Err(damaged("its frame header is short")),
            },
            0xda => {
                let (width, height) = size.ok_or_else(|| damaged("it has no frame header"))?;
                if width == 0 || height == 0 {
                    return Err(damaged("it has no size"));
                }
                if u32::from(width) > LARGEST || u32::from(height) > LARGEST {
                    return Err(PictureError::TooLarge { width: width.into(), height: height.into() });
                }
                return Ok(Picture { jpeg: jpeg.slice(..end), width, height });
            }
            _ => {}
        }
        rest = rest.get(2 + length..).unwrap_or_default();
    }
    Err(damaged("it has no picture"))
}
