//! Any bytes in any slices, both ways: no panic, memory bounded, what is decoded encodes back to the same meaning, and after a
//! silence the next sound frame is found.

#![no_main]

use libfuzzer_sys::fuzz_target;
use skinlink_fuzz::{
    chosen,
    protocol::{FrameError, Spec, Vector, framer::Framer, framing::Framing, item::Decoded, vector::Meaning},
};

struct Side<'s> {
    spec: &'s Spec,
    to_device: bool,
    sound: Option<&'s Vector>,
}

impl Side<'_> {
    /// What is awaited: the message of the vector that comes last.
    fn framer(&self) -> Framer {
        let mut framer = Framer::new(self.framing().clone());
        framer.expect(if self.to_device { None } else { self.spec.bare_bytes(&self.awaited()) });
        framer
    }

    fn awaited(&self) -> Vec<&str> {
        match self.sound.map(|vector| &vector.meaning) {
            Some(Meaning::Message { name, .. }) => vec![name],
            _ => Vec::new(),
        }
    }

    fn framing(&self) -> &Framing {
        if self.to_device { &self.spec.command_framing } else { &self.spec.framing }
    }

    fn decode(&self, payload: &[u8]) -> Result<Decoded, FrameError> {
        if self.to_device {
            self.spec.decode_command(payload)
        } else {
            self.spec.decode_reply(payload, &self.awaited())
        }
    }

    /// A meaning can be said again, and is understood alike.
    fn again(&self, decoded: &Decoded) {
        let spec = self.spec;
        let encoded = if self.to_device {
            spec.encode_command(&decoded.name, &decoded.items)
        } else {
            spec.encode_message(&decoded.name, &decoded.items)
        };
        // Numbers at the edge of a width may not come back; what comes back must be whole.
        let Ok(frame) = encoded else { return };
        let (mut framer, mut count) = (self.framer(), 0);
        framer.feed(&frame, &mut |result| {
            let payload = result.expect("our own frame holds");
            assert_eq!(self.decode(payload).expect("our own frame is understood").name, decoded.name);
            count += 1;
        });
        assert_eq!(count, 1, "our own frame is one frame");
    }

    fn run(&self, bytes: &[u8], size: usize) {
        let mut framer = self.framer();
        let most = 2 * self.framing().max_frame();
        for slice in bytes.chunks(size) {
            let mut heard = Vec::new();
            framer.feed(slice, &mut |result| heard.extend(result.and_then(|payload| self.decode(payload))));
            assert!(framer.held() <= most, "{} bytes held", framer.held());
            heard.iter().for_each(|decoded| self.again(decoded));
        }
        framer.give_up(&mut |_| {});
        assert_eq!(framer.held(), 0, "nothing is kept over a silence");
        let Some(vector) = self.sound else { return };
        let mut found = 0;
        framer.feed(&vector.bytes, &mut |result| found += usize::from(result.and_then(|payload| self.decode(payload)).is_ok()));
        assert_eq!(found, 1, "{}: not in step by the next sound frame {}", self.spec.id, vector.name);
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((device, rest)) = chosen(data) else { return };
    let Some((size, bytes)) = rest.split_first() else { return };
    let size = usize::from(*size).max(1);
    let pick = |count: usize| bytes.len() % count.max(1);
    let sound: Vec<&Vector> = device.sound().collect();
    let picked = sound.get(pick(sound.len())).copied();
    Side { spec: &device.spec, to_device: false, sound: picked }.run(bytes, size);
    let commands: Vec<&Vector> = device.commands().collect();
    let picked = commands.get(pick(commands.len())).copied();
    Side { spec: &device.spec, to_device: true, sound: picked }.run(bytes, size);
});
