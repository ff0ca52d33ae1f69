"""Whether a campaign may begin: held before the first recipient comes, as a whole or all but its canary."""

from mta.ingest.checked import Campaign
from mta.queue.audit import ENGINE
from mta.queue.control import CANARY, Gate, Scope
from mta.queue.review import Review
from mta.tenancy import Profile


class Admission:
    """Closes what has to be closed before anybody knows the campaign; each step may be repeated."""

    def __init__(self, review: Review, review_first: int) -> None:
        self.review = review
        self.review_first = review_first

    async def why_held(self, profile: Profile, campaign: Campaign) -> str:
        """Return why a person is to look at a campaign first, "" when nobody has to."""
        if campaign.hold:
            return "the campaign asked for it"
        if profile.review:
            return "the tenant is under review"
        first = self.review_first
        if first and profile.review is None and await self.review.approvals(profile.id) < first:
            return f"the tenant is new: its campaigns are looked at until {first} of them were released"
        return ""

    async def shut(self, tenant: str, campaign: Campaign, held: str, born: int) -> None:
        """Close a campaign that is held, and the store of one that has a canary; `born` in ms since 1970."""
        if held:
            eid = f"{tenant}/{campaign.id}/held"
            await self.review.hold(tenant, campaign.id, held, eid=eid, now=born)
        if campaign.canary is not None:
            why = f"{campaign.canary.share:.3%} of it goes first"
            rest = Scope.of_rest(tenant, campaign.id)
            await self.review.control.close(rest, Gate(CANARY, why, ENGINE, since=born), {})
            await self.review.canaries.begin(tenant, campaign.id, campaign.canary)

    async def open_again(self, tenant: str, campaign: Campaign, held: str) -> None:
        """Open what an earlier version of the campaign, which nobody was sent, closed and this one does not."""
        if not held:
            await self.review.release(Scope.of_campaign(tenant, campaign.id), {})
        if campaign.canary is None:
            await self.review.control.open(Scope.of_rest(tenant, campaign.id), {})
            await self.review.canaries.forget(tenant, campaign.id)
