"""An attack as a test case: with the released programs it fails, with a defence switched off in the weakened ones it succeeds."""
import os
import unittest

BUILD = os.environ.get("SLIPWAY_BUILD", "")


class Polarity(unittest.TestCase):
    """`attack` makes everything anew, attacks, and returns whether it got through. `defences`: names of base/weaken.h."""

    defences = ""
    programs = ""  # the folder of the programs under attack

    def attack(self):
        raise NotImplementedError

    def run_with(self, folder, defences):
        self.programs = f"{BUILD}/{folder}"
        os.environ.pop("SLIPWAY_WEAKEN", None)
        if defences:
            os.environ["SLIPWAY_WEAKEN"] = defences
        self.addCleanup(os.environ.pop, "SLIPWAY_WEAKEN", None)
        return self.attack()

    def test_released_programs_withstand(self):
        self.assertFalse(self.run_with("bin", ""), "the attack got through")

    def test_switched_off_it_succeeds(self):
        self.assertTrue(self.run_with("weakened/bin", self.defences), f"without {self.defences} the attack fails all the same: it shows nothing")
