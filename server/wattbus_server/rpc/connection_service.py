"""ConnectionService: link end users' vendor accounts and show how they stand."""

from wattbus.v1 import connection_service_pb2 as pb

from wattbus_server.blockers.ledger import BlockerLedger
from wattbus_server.connections.directory import ConnectionDirectory
from wattbus_server.connections.links import LinkSessions
from wattbus_server.problem import Problem
from wattbus_server.rpc.caller import calling_tenant


class ConnectionService:
    """Answers the methods of `wattbus.v1.ConnectionService`."""

    def __init__(self, links: LinkSessions, directory: ConnectionDirectory, ledger: BlockerLedger) -> None:
        self._links = links
        self._directory = directory
        self._ledger = ledger

    async def CreateLinkSession(self, request: pb.CreateLinkSessionRequest) -> pb.CreateLinkSessionResponse:
        """Create a link session."""
        return pb.CreateLinkSessionResponse(link_session=await self._links.create(calling_tenant(), request))

    async def GetLinkSession(self, request: pb.GetLinkSessionRequest) -> pb.GetLinkSessionResponse:
        """Get a link session."""
        return pb.GetLinkSessionResponse(link_session=await self._links.get(calling_tenant(), request.name))

    async def GetConnection(self, request: pb.GetConnectionRequest) -> pb.GetConnectionResponse:
        """Get a connection."""
        return pb.GetConnectionResponse(connection=await self._directory.get(calling_tenant(), request.name))

    async def ListConnections(self, request: pb.ListConnectionsRequest) -> pb.ListConnectionsResponse:
        """List connections."""
        return await self._directory.list(calling_tenant(), request)

    async def SyncConnection(self, request: pb.SyncConnectionRequest) -> pb.SyncConnectionResponse:
        """Discover again, with the scopes as they are now."""
        try:
            connection = await self._directory.sync(calling_tenant(), request.name)
        except Problem as problem:
            raise await self._ledger.record_problem(calling_tenant(), problem) from problem
        return pb.SyncConnectionResponse(connection=connection)

    async def DeleteConnection(self, request: pb.DeleteConnectionRequest) -> pb.DeleteConnectionResponse:
        """Delete a connection with everything that belongs to it."""
        await self._directory.delete(calling_tenant(), request.name)
        return pb.DeleteConnectionResponse()
