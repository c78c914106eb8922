"""How one gets into the Cassandra of a configuration: its section with the password, as the driver's adapter takes it.

For the server and for consumers. Knows no table.
"""

from authoriser.cassandra.session import CassandraConfig, Password
from authoriser.config_cassandra import CassandraSection, password_of


def cassandra_config(section: CassandraSection) -> CassandraConfig:
    """Raises PasswordError."""
    return CassandraConfig(
        contact_points=tuple((point.host, point.port) for point in section.contact_points),
        keyspace=section.keyspace,
        local_data_centre=section.local_data_centre,
        durability=section.durability,
        username=section.username,
        password=Password(password_of(section)),
        tls_ca_file=section.tls_ca_file,
        tls_cert_file=section.tls_cert_file,
        tls_key_file=section.tls_key_file,
    )
