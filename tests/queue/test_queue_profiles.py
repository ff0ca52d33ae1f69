"""Profiles of tenants: remembered, and who has none."""

from mta import tenancy
from mta.queue.campaigns import Campaigns
from mta.queue.keys import Keys
from mta.queue.link import Client
from mta.queue.profiles import Profiles
from mta.tenancy import Profile


async def test_a_profile_is_remembered_for_a_moment(client: Client, keys: Keys) -> None:
    campaigns = Campaigns(client, keys)
    profiles = Profiles(campaigns)
    assert await profiles.find("acme") is None
    assert profiles.known("acme") is None, "its document may come any moment"
    profile = Profile("acme", track_host="t.acme.example")
    await campaigns.define_tenant("acme", tenancy.encode(profile))
    assert await profiles.find("acme") == profiles.known("acme") == profile


async def test_strangers_have_the_default_profile(client: Client, keys: Keys) -> None:
    profiles = Profiles(Campaigns(client, keys), strangers=True)
    assert await profiles.find("acme") == profiles.known("acme") == Profile("acme")
