"""The district that a config describes: built once, from the seed alone; the same config gives the same world."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from replay.simulator.block import Senders
from replay.simulator.care_people import care_people
from replay.simulator.chance import DAY_MS, IntArray, generator
from replay.simulator.config import DistrictConfig
from replay.simulator.entities import NEVER_MS, CarePerson, Community, Device, Site

# (community, title, district/street): the pilots of Wuhu, taken in this order.
COMMUNITIES = (
    ("jianyang", "建杨社区", "jinghu/tingtang"),
    ("rulinxiyuan", "儒林西苑社区", "yijiang/nanrui"),
    ("huaqiang", "华强社区", "jiujiang/guandou"),
    ("hetang", "荷塘社区", "jinghu/jingshan"),
    ("tieqiao", "铁桥社区", "yijiang/luogang"),
    ("hongmei", "红梅社区", "jinghu/zheshan"),
    ("jinwan", "金湾社区", "jiujiang/wanli"),
)
# kind -> (devices per community at size 1, choices of heartbeat interval s, readings interval s, battery days)
DEVICE_MIX: dict[str, tuple[int, tuple[float, ...], tuple[float | None, ...], float | None]] = {
    "noise": (4, (900.0,), (60.0, 300.0, 300.0, 300.0, 300.0, 300.0, 300.0, 300.0), None),
    "smoke": (6, (3600.0,), (3600.0,), 400.0),
    "gas": (4, (3600.0,), (3600.0,), None),
    "climate": (2, (1800.0,), (900.0,), None),
    "charging": (3, (1800.0,), (1800.0, 900.0), None),
    "hydrant": (2, (3600.0,), (1800.0, 3600.0), 300.0),
    "manhole": (3, (3600.0, 7200.0), (3600.0,), 200.0),
    "water": (2, (1800.0,), (900.0,), 500.0),
    "camera": (3, (600.0, 900.0), (1800.0,), None),
    "gate": (2, (600.0,), (None,), None),
    "venue": (2, (900.0,), (None,), None),
    "parking": (1, (900.0,), (None,), None),
}
WITHOUT_GATEWAY = ("hydrant", "manhole", "wearable")  # narrow-band radio, each on its own
NOISE_ZONES = ("2", "1", "4a", "2", "3", "1", "2", "4b", "0", "2")
MODELS = ("HW-E3", "ZX-200", "DH-8010", "GP-1")


class World:
    """Communities, sites, devices, persons; and the senders through which they speak."""

    def __init__(self, config: DistrictConfig) -> None:
        self.config = config
        self.senders = Senders()
        self.sites: list[Site] = []
        self.devices: list[Device] = []
        self.gateways: dict[str, list[str]] = {}  # scope of a grid -> its gateways
        self.communities = [self._community(index) for index in range(config.communities)]
        for community in self.communities:
            self._build_sites(community)
            self._build_devices(community)
        self.people: list[CarePerson] = []
        for community in self.communities:
            care_people(self, community)
        self._replace_some_devices()
        self._number()

    def count(self, base: float) -> int:
        """How many of something there are, at this size; at least one."""
        return max(1, round(base * self.config.size))

    def sites_of(self, community: Community | int, *kinds: str) -> list[Site]:
        """The sites of some kinds of a community, in order."""
        index = community if isinstance(community, int) else community.index
        return [site for site in self.sites if site.community == index and site.kind in kinds]

    def numbers_of(self, *kinds: str) -> IntArray:
        """The device numbers of some kinds."""
        return np.array([device.index for device in self.devices if device.kind in kinds], dtype=np.int64)

    def add_device(
        self,
        kind: str,
        site: Site,
        rng: np.random.Generator,
        heartbeat_s: float,
        *,
        report_s: float | None = None,
        battery_days: float | None = None,
        noise_zone: str | None = None,
        person: str | None = None,
    ) -> Device:
        """Set a device up at a site; it reports through the gateway of its grid, if its kind does."""
        name = f"{self.communities[site.community].name}-{kind}-{len(self.devices):04d}"
        near = self.gateways.setdefault(site.scope, [])
        gateway = None
        if kind == "gateway":
            near.append(name)
        elif kind not in WITHOUT_GATEWAY:
            gateway = near[len(self.devices) % len(near)]
        skewed = rng.random() < 0.06
        device = Device(
            index=len(self.devices),
            name=name,
            kind=kind,
            site=site.name,
            scope=site.scope,
            community=site.community,
            gateway=gateway,
            source=f"/iot/{gateway or name}",
            heartbeat_s=round(heartbeat_s * rng.uniform(0.97, 1.03), 3),
            report_s=report_s,
            phase_ms=int(rng.integers(0, DAY_MS)),
            skew_ms=int(rng.integers(-4_000, 4_000)) if skewed else 0,
            battery_days=None if battery_days is None else battery_days * float(rng.uniform(0.8, 1.2)),
            old_firmware=bool(rng.random() < 0.1),
            noise_zone=noise_zone,
            person=person,
            model=MODELS[int(rng.integers(len(MODELS)))],
        )
        self.devices.append(device)
        return device

    def _community(self, index: int) -> Community:
        name, title, street = COMMUNITIES[index]
        scope = f"wuhu/{street}/{name}"
        grids = min(99, max(2, round(4 * self.config.size)))
        return Community(
            index,
            name,
            title,
            scope,
            tuple(f"{scope}/g{n:02d}" for n in range(1, grids + 1)),
            tuple(f"{title}第{n}网格" for n in range(1, grids + 1)),
            residents=grids * 900,
        )

    def _build_sites(self, community: Community) -> None:
        def add(kind: str, suffix: str, grid: int, parent: str | None = None, title: str = "", room: int = 0) -> str:
            name = f"{community.name}-{suffix}"
            scope = community.grids[grid % len(community.grids)]
            self.sites.append(Site(name, kind, scope, community.index, parent, title or None, room or None))
            return name

        short = community.title.removesuffix("社区")
        for grid in range(len(community.grids)):
            compound = add("compound", f"cp{grid + 1:02d}", grid, title=f"{short}{grid + 1}号小区")
            for block in range(1, 4):
                building = add("building", f"b{grid + 1:02d}{block}", grid, compound, f"{grid + 1}-{block}栋")
                for home in range(1, 7):
                    add("home", f"h{grid + 1:02d}{block}{home:02d}", grid, building)
        for kind, base, title, capacity in (
            ("venue", 2, "宜邻中心", 200),
            ("shop", 4, "便民商铺", 0),
            ("gate", 2, "出入口", 0),
            ("parking", 1, "停车场", 60),
            ("street", 3, "街道", 0),
            ("other", 4, "公共点位", 0),
        ):
            for nth in range(self.count(base)):
                add(kind, f"{kind}{nth + 1}", nth, None, f"{short}{title}{nth + 1}", capacity)

    def _build_devices(self, community: Community) -> None:
        rng = generator(self.config.seed, "devices", entity=community.index)
        places = {
            "noise": self.sites_of(community, "compound", "street"),
            "smoke": self.sites_of(community, "home", "shop"),
            "gas": self.sites_of(community, "home"),
            "climate": self.sites_of(community, "venue", "street"),
            "charging": self.sites_of(community, "building"),
            "hydrant": self.sites_of(community, "street"),
            "manhole": self.sites_of(community, "street"),
            "water": self.sites_of(community, "building"),
            "camera": self.sites_of(community, "venue", "street", "compound"),
            "gate": self.sites_of(community, "gate"),
            "venue": self.sites_of(community, "venue"),
            "parking": self.sites_of(community, "parking"),
        }
        for nth, compound in enumerate(self.sites_of(community, "compound")):
            for _ in range(2 if nth == 0 else 1):  # the busiest compound has two: they can fail together
                self.add_device("gateway", compound, rng, (300.0, 480.0, 600.0)[int(rng.integers(3))])
        for kind, (base, beats, reports, battery_days) in DEVICE_MIX.items():
            for nth in range(self.count(base)):
                where = places[kind]
                far = kind in ("smoke", "gas", "charging", "water")  # spread over the grids
                site = where[(nth * max(1, len(where) // 7) if far else nth) % len(where)]
                zone = NOISE_ZONES[(nth + 3 * community.index) % len(NOISE_ZONES)] if kind == "noise" else None
                beat = beats[int(rng.integers(len(beats)))]
                report = reports[(nth + base * community.index) % len(reports)]
                self.add_device(
                    kind, site, rng, beat, report_s=report, battery_days=battery_days, noise_zone=zone
                )  # fmt: skip
        for shop in self.sites_of(community, "shop")[: self.count(2)]:
            self.add_device("presence", shop, rng, 1800.0, battery_days=300.0)

    def _replace_some_devices(self) -> None:
        """A few sensors are retired during the first weeks, and a successor takes their place."""
        rng = generator(self.config.seed, "replacements")
        for device in list(self.devices):
            if device.kind not in ("smoke", "climate", "water", "charging") or rng.random() > 0.08:
                continue
            when_ms = self.config.start_ms + int(rng.uniform(2.0, 40.0) * DAY_MS)
            self.devices[device.index] = replace(device, retired_ms=when_ms)
            born = when_ms + int(rng.integers(600_000, 7_200_000))
            successor = replace(device, index=len(self.devices), name=f"{device.name}b", born_ms=born)
            if device.gateway is None:
                successor = replace(successor, source=f"/iot/{successor.name}")
            self.devices.append(successor)

    def _number(self) -> None:
        """What behaviours need of all devices at once, as arrays by device number."""
        devices = self.devices
        number = {device.name: device.index for device in devices}
        self.device_number = number
        self.device_names = [device.name for device in devices]
        self.device_sender = np.array([self.senders.of(d.source, d.scope) for d in devices], dtype=np.int64)
        self.heartbeat_ms = np.array([round(d.heartbeat_s * 1000) for d in devices], dtype=np.int64)
        self.phase_ms = np.array([d.phase_ms for d in devices], dtype=np.int64)
        self.skew_ms = np.array([d.skew_ms for d in devices], dtype=np.int64)
        self.born_ms = np.array([d.born_ms for d in devices], dtype=np.int64)
        self.retired_ms = np.array([d.retired_ms for d in devices], dtype=np.int64)
        self.battery_ms = np.array(
            [NEVER_MS if d.battery_days is None else d.battery_days * DAY_MS for d in devices], dtype=np.int64
        )
        self.old_firmware = np.array([d.old_firmware for d in devices], dtype=np.bool_)
        self.members: dict[str, tuple[int, ...]] = {}
        for device in devices:
            if device.gateway is not None:
                self.members[device.gateway] = (*self.members.get(device.gateway, ()), device.index)
