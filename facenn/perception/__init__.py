"""What is seen in one picture, photo or render: knows no schema and no engine."""
