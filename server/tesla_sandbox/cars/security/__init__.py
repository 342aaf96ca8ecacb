"""The car's side of the signed command protocol: keys, sessions, verification, answers.

Source: teslamotors/vehicle-command, pkg/protocol/protocol.md and its protobuf definitions.
"""
